# SPDX-License-Identifier: Apache-2.0
# Makes C of the profiles that are built in: awk -f seccomp_builtin.awk etc/seccomp/*.profile
BEGIN {
	print "/* Made from etc/seccomp/ by seccomp_builtin.awk. */"
	print "#include <string.h>\n"
	print "#include \"supervisor/seccomp_impl.h\"\n"
	print "static const struct builtin {\n\tconst char *name, *text;\n} builtin[] = {"
}
FNR == 1 {
	if (NR > 1)
		print "\t},"
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.profile$/, "", name)
	printf "\t{\"%s\",\n", name
}
{
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	gsub(/\t/, "\\t")
	printf "\t\t\"%s\\n\"\n", $0
}
END {
	print "\t},\n};\n"
	print "const char *seccomp_builtin(const char *name)\n{"
	print "\tfor (size_t i = 0; i < ARRAY_LEN(builtin); i++)"
	print "\t\tif (strcmp(builtin[i].name, name) == 0)\n\t\t\treturn builtin[i].text;"
	print "\treturn NULL;\n}"
}
