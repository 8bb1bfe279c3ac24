"""The report: data of a run folder to sections, sections to one page. It computes nothing that other packages know."""
