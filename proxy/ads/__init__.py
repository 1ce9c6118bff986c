"""The ADS server: tells every proxy of every tier what to run, and records what each made of it."""
