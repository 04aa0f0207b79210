"""What a caller sees: routes, questions, answers, and errors."""
