"""The parts of benchmarks/device.py, one file each: ``run(table, clock, sizes, known)``, and what they share."""
