"""What requests may say and answers say, by noun: records that msgspec checks and writes."""
