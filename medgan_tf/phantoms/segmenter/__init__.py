"""Reads back from an image what a phantom shows: masks of lungs, heart and lesions, and the rules of anatomy."""
