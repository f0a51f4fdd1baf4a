"""Claims with thresholds that are committed before their runs, and published tables that runs repeat. Imports no
torch. docs/comparing.md says how to add one."""
