"""Why a binary is taken or not: facts from Portage, turned into reasons and remedies."""
