"""Anytime prediction with thin sub-networks: a reproduction of Lee & Shin (2018)."""
