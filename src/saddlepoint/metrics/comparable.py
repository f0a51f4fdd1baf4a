"""When two values compare, and which of them is better; for those who read numbers and need no torch."""

SAME_NUMBER = ("seed", "versions", "revision")  # of a protocol: may differ between values that are still compared

# Metric, without its extractor -> is more of it better? A test compares with what the metrics say of themselves.
# neighbour_distance is missing: about 1 is right, neither more nor less is better.
GREATER_IS_BETTER = {
    "fid": False, "fid_infinity": False, "is": True, "kid": False, "precision": True, "recall": True, "density": True,
    "coverage": True, "duplicates": False, "label_accuracy": True, "rarest_class": True, "class_fid": False,
    "psnr_y": True, "ssim_y": True, "psnr_rgb": True, "ssim_rgb": True, "niqe": False, "lpips": False,
}


def greater_is_better(name: str, extractor: str = "") -> bool | None:
    """name: as in metrics.json, with its extractor at the end; None: neither, or nobody knows"""
    metric = name.removesuffix(f"_{extractor}") if extractor else name
    return GREATER_IS_BETTER.get(metric)
