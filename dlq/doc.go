// Package dlq keeps messages whose attempts are used up, and lets people look into them, move them back and erase them.
package dlq
