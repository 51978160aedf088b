"""The directory of an organization: users, groups, resources, addresses, members, routing."""
