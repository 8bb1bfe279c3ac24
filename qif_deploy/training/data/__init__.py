"""What happens to samples between the data set and the network during training; needs torch and torchvision."""
