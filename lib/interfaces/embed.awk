# SPDX-License-Identifier: LGPL-2.1-or-later
# From .varlink texts to C strings.
BEGIN {
	print "/* Made by embed.awk from the .varlink files. */"
	print "#include \"lib/interfaces/interfaces.h\"\n"
}
function emit() {
	if (!name) {
		print "embed.awk: no interface line in " file > "/dev/stderr"
		exit 1
	}
	gsub(/[.-]/, "_", name)
	print "const char interface_" name "[] =\n" text ";\n"
}
FNR == 1 {
	if (NR > 1)
		emit()
	text = name = ""
	file = FILENAME
}
/^interface / {
	name = $2
}
{
	line = $0
	gsub(/\\/, "\\\\", line)
	gsub(/"/, "\\\"", line)
	text = text (text ? "\n" : "") "\t\"" line "\\n\""
}
END {
	emit()
}
