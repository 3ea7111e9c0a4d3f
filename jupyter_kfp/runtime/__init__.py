"""What executes inside a step, in a container or a local process. Imports nothing else of the package."""
