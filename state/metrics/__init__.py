"""What is measured of the service: recorded in every process, merged into buckets, read as six reports."""
