//! Case files are parsed, checked and laid out: the whole language once, every case of the suite, and every value WAVE prints.
