"""The closed loop and what it stores."""
