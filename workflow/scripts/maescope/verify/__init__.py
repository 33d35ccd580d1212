"""Whether what lies under results/ is what the workflow wrote, and would write now."""
