"""Files of strangers into plain values: bounded in size and depth, never unpickled, one clear reason for each refusal."""
