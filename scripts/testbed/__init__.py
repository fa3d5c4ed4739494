"""What demo, benchmarks and integration tests share: a Supabase, traders with webhooks, worker processes."""
