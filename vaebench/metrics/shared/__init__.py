"""Parts that several metrics share: factors, nearest neighbours, silhouette widths."""
