"""Mail domains over time: looking for their records until they are found."""
