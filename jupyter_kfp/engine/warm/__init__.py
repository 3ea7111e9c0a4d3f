"""Steps and kernels that start at once: forks of a process that has loaded what they need."""
