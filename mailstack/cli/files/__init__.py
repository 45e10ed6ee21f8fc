"""Letters out of files and into files: `import` and `export` for one mailbox, `ingest` and `dump` for the inbox of all."""
