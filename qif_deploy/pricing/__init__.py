"""Count times price: the one place where energy is priced."""
