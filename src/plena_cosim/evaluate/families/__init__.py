"""Every family of causal language models that transformers knows, tried in small"""
