"""The measures of `classifier inspect` that the reports show, in their order."""

MEASURES = {
    "top1": "top-1 accuracy",
    "topk": "top-k accuracy",
    "loss": "negative log-likelihood (nats)",
    "mean_primary": "mean confidence of the primary class",
    "mean_true": "mean output of the label's class",
    "mean_rank_2_k": "mean probability of ranks 2 to k",
    "inside_superclass": "share of the other probability inside the superclass",
    "dist_between": "distance between classes of different superclasses",
    "dist_within": "distance between classes of the same superclass",
    "dist_all": "distance between classes",
    "entropy": "mean entropy (nats)",
    "ece": "expected calibration error",
    "teacher_agreement": "agreement with the teacher's primary class",
    "teacher_kl": "KL divergence from the teacher (nats)",
}
# kind of a result -> the set of images that it is of
INSPECTIONS = {"inspect": "valid", "inspect_train": "train"}
EXAMPLES = 12  # images in a picture grid
