# Completion of cashet for fish. Load it with: cashet completions fish | source

function __cashet_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] complete -- $words[2..] 2>/dev/null)
    switch "$lines[1]"
        case ':files'
            __fish_complete_path (string replace -r '^--[^=]*=' '' -- (commandline -ct))
        case ':directories'
            __fish_complete_directories (string replace -r '^--[^=]*=' '' -- (commandline -ct))
        case ':command *'
            set -l first (math 2 + (string replace ':command ' '' -- $lines[1]))
            set -l last $words[-1]
            set -l before (string escape -- $words[$first..-2])
            complete -C (string join ' ' -- $before $last)
        case '*'
            printf '%s\n' $lines
    end
end

complete -c cashet -f -a '(__cashet_complete)'
