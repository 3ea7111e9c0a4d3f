"""Pictures of pipelines and runs: graph, SVG, Mermaid, text, tables and live progress."""
