"""What every room shares: interfaces, randomness, the machine."""
