"""Traffic in and out of a project as files. What each command does is in docs/import_export.md."""
