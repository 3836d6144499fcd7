"""What several metrics of latents and known factors share."""
