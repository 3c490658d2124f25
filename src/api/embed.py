"""Makes a C file of a document: embed.py INPUT OUTPUT."""
import sys

with open(sys.argv[1], "rb") as document:
    data = document.read()
rows = [data[i:i + 20] for i in range(0, len(data), 20)]
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write('#include "api/openapi_json.h"\n\nconst unsigned char amp_openapi_json[] = {\n')
    out.writelines("    " + ",".join(map(str, row)) + ",\n" for row in rows)
    out.write("};\nconst size_t amp_openapi_json_len = sizeof amp_openapi_json;\n")
