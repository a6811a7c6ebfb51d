"""fastblur's benchmarks for the CPU: see README.md for the method."""
