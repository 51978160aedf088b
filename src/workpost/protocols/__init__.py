"""The protocols people's clients and administrators' scripts speak; none imports another."""
