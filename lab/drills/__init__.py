"""Tools of the drills: processes, load and relays on the loopback address. They import no app."""
