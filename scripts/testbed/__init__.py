"""What demo, benchmarks, tests and lints share: a Supabase or a bare database, traders, worker processes."""
