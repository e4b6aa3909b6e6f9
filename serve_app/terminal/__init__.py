"""The interview in a terminal: files read, questions asked, answers shown, against a running service."""
