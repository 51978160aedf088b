"""Operations: what happens over time."""
