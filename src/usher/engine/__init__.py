"""When and where steps happen: the lease, due instants and queues; the only room that knows the durable runtime."""
