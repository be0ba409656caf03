module ledge/testbed/pause

go 1.26
