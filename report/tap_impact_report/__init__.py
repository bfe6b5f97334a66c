"""A picture of the last 30 days, from the tables that were loaded into PostgreSQL."""
