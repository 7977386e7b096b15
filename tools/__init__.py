"""Programs for developers: benchmarks, fuzzing and fault injection."""
