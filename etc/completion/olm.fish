# fish completion of olm: portage-ext lists its words, once a shell, so this
# file need not change when portage-ext does.
if command --query portage-ext
    portage-ext completion fish 2>/dev/null | source
end
