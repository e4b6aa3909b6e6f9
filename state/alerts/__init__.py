"""The fifteen alerts: rules as data, what they read, and when somebody is told."""
