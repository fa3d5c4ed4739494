"""Two traders, real alerts, a worker killed in the middle, and the proof that nothing was lost or doubled."""
