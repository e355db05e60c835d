"""LLMSynthor: macro-statistics in, micro-records out."""
