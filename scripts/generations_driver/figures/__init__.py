"""The figures of the reports, one subject a file."""
