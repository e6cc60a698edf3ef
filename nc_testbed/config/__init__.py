"""From words and files to checked settings."""
