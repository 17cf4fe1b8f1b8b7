"""`plena quantize --spec`: a model of images or text, by the experiment file of another project."""
