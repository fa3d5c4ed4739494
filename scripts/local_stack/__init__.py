"""A Supabase-compatible stack on this machine, without Docker. See README.md beside this file."""
