"""What `mailstack check` looks at: one file for each part of a server."""
